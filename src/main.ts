import { Logger, type LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule, storageOptionsOf } from './app.module.js';
import { followActivities } from './common/activity.js';
import { createLogger } from './common/log.js';
import { packageVersion } from './common/package-version.js';
import { untilAborted } from './common/until-aborted.js';
import { setTracer } from './common/tracing.js';
import { logCrashes } from './crash.js';
import { idleAccessVariables, isLoopback, isPollRare, type Environment } from './config/environment.js';
import { EventLoopWatch } from './http/event-loop-watch.js';
import { createHttpApp } from './http/http-app.js';
import { OperationsServer } from './http/operations-server.js';
import { StartPorts } from './http/start-ports.js';
import { closeOnSignal, StartEndedError } from './shutdown.js';
import { cutConnections } from './storage/close-connections.js';
import { closeDatabase, openDatabase } from './storage/open-database.js';
import type { OpenTelemetry } from './tracing/open-telemetry.js';

/** A running instance. */
export interface Instance {
  readonly app: NestFastifyApplication;
  /** Where HTTP listens, without a slash at the end. */
  readonly url: string;
  /** Where operators find `/metrics` and `/health` beside; `undefined`: they have no port of their own. */
  readonly operationsPort: number | undefined;
  /** Ends it: no new requests, those at work are finished, the cache's state saved, the database closed. */
  close(): Promise<void>;
}

/**
 * Starts an instance: ports, database, migrations, cache, HTTP. Resolves when it serves; warming may still go on. Until then its ports answer probes.
 *
 * @param signal - ends the start: its reason is thrown then.
 * @throws what the start has failed of; nothing is left running or open.
 */
export async function startInstance(
  environment: Environment,
  logger: LoggerService = createLogger(environment.LOG_LEVEL),
  signal?: AbortSignal,
): Promise<Instance> {
  Logger.overrideLogger(logger);
  const tracing = await startTracing(environment);
  if (tracing !== undefined) followActivities();
  let ports: StartPorts | undefined;
  try {
    ports = await StartPorts.open(environment);
    return await startBehind(ports, { environment, logger, tracing, signal });
  } catch (error) {
    await ports?.close();
    await stopTracing(tracing);
    throw error;
  }
}

/** What a start is made with. */
interface Start {
  readonly environment: Environment;
  readonly logger: LoggerService;
  readonly tracing: OpenTelemetry | undefined;
  readonly signal: AbortSignal | undefined;
}

async function startBehind(ports: StartPorts, { environment, logger, tracing, signal }: Start): Promise<Instance> {
  const { progress } = ports;
  const database = await openDatabase(storageOptionsOf(environment), {
    signal,
    onStep: (step) => progress.enter(step),
  });
  progress.enter('cache');
  let app: NestFastifyApplication;
  try {
    app = await createHttpApp(AppModule.create(environment, database), {
      maxBodyBytes: environment.MAX_BODY_BYTES,
      logger,
      slowRequestMs: environment.LOG_SLOW_REQUEST_MS,
      trustedProxies: environment.TRUSTED_PROXIES ?? [],
      corsOrigins: environment.CORS_ORIGINS ?? [],
      maxConnections: environment.MAX_CONNECTIONS,
    });
  } catch (error) {
    await closeDatabase(database);
    throw error;
  }
  const eventLoop = new EventLoopWatch(environment.LOG_SLOW_REQUEST_MS);
  let operations: OperationsServer | undefined;
  const close = async (): Promise<void> => {
    await app.close();
    await operations?.close();
    await stopTracing(tracing);
    eventLoop.stop();
  };
  try {
    await untilAborted(app.init(), signal);
    await app.listen(ports.main.giveOver());
    if (ports.operations !== undefined) {
      operations = await OperationsServer.listen(app, ports.operations.giveOver());
    }
  } catch (error) {
    // What the cache asks at its start may get no answer, and the application ends after it has begun.
    if (signal?.aborted === true) cutConnections(database.dataSource);
    await close();
    throw error;
  }
  const url = (await app.getUrl()).replace('[::1]', 'localhost');
  return { app, url, operationsPort: operations?.port, close };
}

/**
 * Starts an instance and serves until a signal ends the process.
 *
 * @returns `undefined` when a signal has ended the start.
 */
export async function serve(environment: Environment): Promise<Instance | undefined> {
  const logger = createLogger(environment.LOG_LEVEL);
  logCrashes(logger);
  const start = new AbortController();
  const starting = startInstance(environment, logger, start.signal);
  closeOnSignal(starting, start, environment);
  const instance = await starting.catch((error: unknown) => {
    if (error instanceof StartEndedError) return undefined;
    throw error;
  });
  if (instance === undefined || start.signal.aborted) return undefined;
  if (environment.AUTH_MODE === 'none' && !isLoopback(environment.HOST)) {
    new Logger('Scrollback').warn(
      `Everybody who reaches ${environment.HOST} may read and write everything: AUTH_MODE is none, and AUTH_ALLOW_INSECURE=true allows it.`,
    );
  }
  const idle = idleAccessVariables(environment);
  if (idle.length > 0) {
    new Logger('Scrollback').warn(
      `Nobody has to prove who they are, and every caller may read and write everything: ${idle.join(', ')} is of no effect while AUTH_MODE is none.`,
    );
  }
  if (isPollRare(environment)) {
    new Logger('Scrollback').warn(
      'What is held will be in doubt between two polls, and readiness with it: STALENESS_BOUND_MS is below twice COHERENCE_POLL_MS.',
    );
  }
  new Logger('Scrollback').log(`Listening on ${instance.url} (API: ${instance.url}/docs)`);
  return instance;
}

/** Starts tracing where the environment names a collector. Otherwise nothing of it is loaded. */
async function startTracing(environment: Environment): Promise<OpenTelemetry | undefined> {
  if (environment.OTEL_EXPORTER_OTLP_ENDPOINT === undefined || environment.OTEL_SDK_DISABLED) return undefined;
  const { OpenTelemetry } = await import('./tracing/open-telemetry.js');
  const tracing = new OpenTelemetry(packageVersion());
  setTracer(tracing);
  return tracing;
}

async function stopTracing(tracing: OpenTelemetry | undefined): Promise<void> {
  if (tracing === undefined) return;
  setTracer(undefined);
  await tracing.stop();
}
