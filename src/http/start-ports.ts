import type { Environment } from '../config/environment.js';
import { StartPort } from './start-port.js';
import { StartProgress } from './start-progress.js';

/** The ports of an instance while it starts. */
export class StartPorts {
  private constructor(
    readonly progress: StartProgress,
    readonly main: StartPort,
    /** `undefined`: operators have no port of their own. */
    readonly operations: StartPort | undefined,
  ) {}

  /** Takes them all, or none. @throws ListenError naming the variable of the one that cannot be had. */
  static async open({
    HOST: host,
    PORT,
    METRICS_PORT,
    REDIS_URL,
    COHERENCE_BUS,
    SHARED_CACHE,
  }: Environment): Promise<StartPorts> {
    const usesRedis = REDIS_URL !== undefined && (COHERENCE_BUS === 'redis' || SHARED_CACHE === 'redis');
    const progress = new StartProgress(usesRedis);
    const main = await StartPort.open({ variable: 'PORT', port: PORT, host }, progress);
    if (METRICS_PORT === undefined) return new StartPorts(progress, main, undefined);
    try {
      const operations = await StartPort.open({ variable: 'METRICS_PORT', port: METRICS_PORT, host }, progress);
      return new StartPorts(progress, main, operations);
    } catch (error) {
      await main.close();
      throw error;
    }
  }

  /** Stops listening, but on what was given over. */
  async close(): Promise<void> {
    await this.main.close();
    await this.operations?.close();
  }
}
