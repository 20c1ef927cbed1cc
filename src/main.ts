import { Logger, type LoggerService } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { createLogger } from './common/log.js';
import { isLoopback, type Environment } from './config/environment.js';
import { createHttpApp } from './http/http-app.js';
import { OperationsServer } from './http/operations-server.js';
import { closeOnSignal } from './shutdown.js';

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
  const app = await createHttpApp(AppModule.create(environment), {
    maxBodyBytes: environment.MAX_BODY_BYTES,
    logger,
    slowRequestMs: environment.LOG_SLOW_REQUEST_MS,
    trustedProxies: environment.TRUSTED_PROXIES ?? [],
    corsOrigins: environment.CORS_ORIGINS ?? [],
    maxConnections: environment.MAX_CONNECTIONS,
  });
  let operations: OperationsServer | undefined;
  try {
    await app.listen(environment.PORT, environment.HOST);
    if (environment.METRICS_PORT !== undefined) {
      operations = await OperationsServer.listen(app, environment.METRICS_PORT, environment.HOST);
    }
  } catch (error) {
    await app.close();
    throw error;
  }
  const close = async (): Promise<void> => {
    await app.close();
    await operations?.close();
  };
  const url = (await app.getUrl()).replace('[::1]', 'localhost');
  return { app, url, operationsPort: operations?.port, close };
}

/** Starts an instance and serves until a signal ends the process. */
export async function serve(environment: Environment): Promise<Instance> {
  const instance = await startInstance(environment);
  closeOnSignal(instance, environment);
  if (environment.AUTH_MODE === 'none' && !isLoopback(environment.HOST)) {
    new Logger('Scrollback').warn(
      `Everybody who reaches ${environment.HOST} may read and write everything: AUTH_MODE is none, and AUTH_ALLOW_INSECURE=true allows it.`,
    );
  }
  new Logger('Scrollback').log(`Listening on ${instance.url} (API: ${instance.url}/docs)`);
  return instance;
}
