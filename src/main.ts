import { Logger, type LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { followActivities } from './common/activity.js';
import { createLogger } from './common/log.js';
import { packageVersion } from './common/package-version.js';
import { setTracer } from './common/tracing.js';
import { logCrashes } from './crash.js';
import { idleAccessVariables, isLoopback, isPollRare, type Environment } from './config/environment.js';
import { EventLoopWatch } from './http/event-loop-watch.js';
import { createHttpApp } from './http/http-app.js';
import { OperationsServer } from './http/operations-server.js';
import { closeOnSignal } from './shutdown.js';
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

/** Starts an instance: database, migrations, cache, HTTP. Resolves when it listens; warming may still go on. */
export async function startInstance(
  environment: Environment,
  logger: LoggerService = createLogger(environment.LOG_LEVEL),
): Promise<Instance> {
  const tracing = await startTracing(environment);
  if (tracing !== undefined) followActivities();
  let app: NestFastifyApplication;
  try {
    app = await createHttpApp(AppModule.create(environment), {
      maxBodyBytes: environment.MAX_BODY_BYTES,
      logger,
      slowRequestMs: environment.LOG_SLOW_REQUEST_MS,
      trustedProxies: environment.TRUSTED_PROXIES ?? [],
      corsOrigins: environment.CORS_ORIGINS ?? [],
      maxConnections: environment.MAX_CONNECTIONS,
    });
  } catch (error) {
    await stopTracing(tracing);
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
    await app.listen(environment.PORT, environment.HOST);
    if (environment.METRICS_PORT !== undefined) {
      operations = await OperationsServer.listen(app, environment.METRICS_PORT, environment.HOST);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const url = (await app.getUrl()).replace('[::1]', 'localhost');
  return { app, url, operationsPort: operations?.port, close };
}

/** Starts an instance and serves until a signal ends the process. */
export async function serve(environment: Environment): Promise<Instance> {
  const logger = createLogger(environment.LOG_LEVEL);
  logCrashes(logger);
  const instance = await startInstance(environment, logger);
  closeOnSignal(instance, environment);
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
