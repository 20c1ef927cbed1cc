import { isIP } from 'node:net';
import { totalmem } from 'node:os';
import { z } from 'zod';
import { CACHE_MODES, DEFAULT_STALENESS_BOUND_MS, SHARED_CACHES, STALE_READS } from '../cache/cache-options.js';
import { BUS_NAMES, type BusName } from '../cache/coherence/bus/coherence-bus.js';
import { EVICTION_POLICIES } from '../cache/local/eviction/eviction-policy.js';
import { DEFAULT_POLICY } from '../cache/local/eviction/policies.js';
import { isRedisUrl } from '../redis/redis-address.js';
import { parseByteSize } from './byte-size.js';

/** Exit code for a configuration that cannot be used: EX_CONFIG of sysexits.h. */
export const EXIT_BAD_CONFIGURATION = 78;

/** A variable of the environment that cannot be used, and why. Never its value: it may be a secret. */
export interface BadVariable {
  readonly name: string;
  readonly message: string;
}

/** The environment cannot be used. Names every variable that is wrong, prints none of their values. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';

  constructor(readonly variables: readonly BadVariable[]) {
    super(
      `The configuration cannot be used:\n${variables.map(({ name, message }) => `  ${name}: ${message}`).join('\n')}`,
    );
  }
}

/** Share of the process's memory that the cache takes unless told otherwise. */
const CACHE_SHARE = 0.25;

/** Polls that have to fit into the bound. With fewer, what is held comes into doubt between two good ones. */
const BOUND_IN_POLLS = 2;

const integer = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, `must be from ${minimum} to ${maximum}`);

const bytes = (minimum: number, maximum: number) =>
  z.string().transform((text, context) => {
    const size = parseByteSize(text);
    if (size !== undefined && size >= minimum && size <= maximum) return size;
    context.addIssue({ code: 'custom', message: `must be a size from ${minimum} to ${maximum} bytes, such as 256MiB` });
    return z.NEVER;
  });

const boolean = z.enum(['true', 'false']).transform((value) => value === 'true');

const list = (isGood: (item: string) => boolean, message: string) =>
  z
    .string()
    .transform((text) => text.split(',').map((item) => item.trim()))
    .refine((items) => items.every(isGood), message);

const AUTH_KEY = /^[\w.-]{1,64}:[0-9a-f]{64}$/i;

const AUTH_MODES = ['none', 'key', 'jwt', 'key,jwt'] as const;

/** Who may call: anybody, who has a service key, who has a user's token, or who has either. */
export type AuthMode = (typeof AUTH_MODES)[number];

/**
 * Every variable that the process reads. The table in `docs/configuration.md` lists the same; a test compares the two.
 */
export const ENVIRONMENT_SCHEMA = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(0, 65535).default(3000),
  METRICS_PORT: integer(0, 65535).optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must be a URL that begins with postgres:// or postgresql://')
    .optional(),
  DATABASE_POOL_MAX: integer(2, 1000).default(10),
  SCROLLBACK_DATA_DIR: z.string().min(1).default('.scrollback'),
  REDIS_URL: z
    .string()
    .refine(isRedisUrl, 'must be a URL that begins with redis:// or rediss://, or several with commas between')
    .optional(),
  COHERENCE_BUS: z.enum(BUS_NAMES).optional(),
  SHARED_CACHE: z.enum(SHARED_CACHES).default('off'),
  COHERENCE_POLL_MS: integer(10, 60_000).default(1000),
  STALENESS_BOUND_MS: integer(100, 3_600_000).default(DEFAULT_STALENESS_BOUND_MS),
  STALE_READS: z.enum(STALE_READS).default('serve'),
  CACHE_MODE: z.enum(CACHE_MODES).default('on'),
  CACHE_MAX_BYTES: bytes(2 ** 20, 2 ** 50).optional(),
  CACHE_POLICY: z.enum(EVICTION_POLICIES).default(DEFAULT_POLICY),
  CACHE_TAIL_MESSAGES: integer(1, 10_000).default(100),
  CACHE_WARM_DEADLINE_MS: integer(0, 3_600_000).default(30_000),
  WRITE_QUEUE_MAX: integer(1, 1_000_000).default(10_000),
  SHUTDOWN_DRAIN_MS: integer(0, 600_000).default(0),
  SHUTDOWN_TIMEOUT_MS: integer(100, 600_000).default(25_000),
  AUTH_MODE: z.enum(AUTH_MODES).optional(),
  AUTH_ALLOW_INSECURE: boolean.default(false),
  AUTH_KEYS: list((key) => AUTH_KEY.test(key), 'must be name:sha256hex, comma-separated').optional(),
  AUTH_JWT_SECRET: z
    .string()
    .refine((text) => Buffer.byteLength(text) >= 32, 'must be at least 32 bytes, as HS256 demands')
    .optional(),
  AUTH_JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  AUTH_JWT_ISSUER: z.string().optional(),
  AUTH_JWT_AUDIENCE: z.string().optional(),
  SCROLLBACK_KEY: z.string().optional(),
  RATE_LIMIT_MAX: integer(0, 1_000_000).default(0),
  RATE_LIMIT_WINDOW_MS: integer(10, 86_400_000).default(1000),
  TRUSTED_PROXIES: list(isAddressRange, 'must be addresses or ranges such as 10.0.0.0/8, comma-separated').optional(),
  CORS_ORIGINS: list(isOrigin, 'must be origins such as https://chat.example, comma-separated').optional(),
  MAX_CONNECTIONS: integer(10, 1_000_000).default(20_000),
  MAX_REQUESTS_IN_FLIGHT: integer(1, 1_000_000).default(5000),
  MAX_EVENT_LOOP_DELAY_MS: integer(0, 60_000).default(500),
  MAX_TEXT_BYTES: bytes(1, 2 ** 20).default(16_384),
  MAX_BODY_BYTES: bytes(1024, 64 * 2 ** 20).default(65_536),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  LOG_SLOW_REQUEST_MS: integer(0, 3_600_000).default(1000),
  LOG_SLOW_SQL_MS: integer(0, 3_600_000).default(500),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  OTEL_SDK_DISABLED: boolean.default(false),
});

/** The validated environment. */
export interface Environment extends z.infer<typeof ENVIRONMENT_SCHEMA> {
  readonly CACHE_MAX_BYTES: number;
  readonly AUTH_MODE: AuthMode;
  readonly COHERENCE_BUS: BusName;
}

/**
 * Reads the environment. Everything else in the process takes its settings from the result; an empty variable counts as
 * absent.
 *
 * @throws ConfigurationError naming every variable that is wrong.
 */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>> = process.env): Environment {
  const present = Object.fromEntries(
    Object.entries(variables).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = ENVIRONMENT_SCHEMA.safeParse(present);
  const wrong = parsed.success
    ? []
    : parsed.error.issues.map((issue) => ({ name: String(issue.path[0]), message: issue.message }));
  const wrongNames = new Set(wrong.map(({ name }) => name));
  // What is wrong by itself counts as absent in the look at what does not fit together, and is not named for that again.
  const rest = Object.fromEntries(Object.entries(present).filter(([name]) => !wrongNames.has(name)));
  const environment = complete(parsed.success ? parsed.data : ENVIRONMENT_SCHEMA.parse(rest));
  const conflicts = [...checkAccess(environment), ...checkRedis(environment), ...checkTimes(environment)];
  wrong.push(...conflicts.filter(({ with: others }) => !others.some((name) => wrongNames.has(name))));
  if (wrong.length > 0) throw new ConfigurationError(wrong.map(({ name, message }) => ({ name, message })));
  return environment;
}

function complete(parsed: z.infer<typeof ENVIRONMENT_SCHEMA>): Environment {
  return {
    ...parsed,
    // The same port is what is there without one of their own. Two free ones are two.
    METRICS_PORT: parsed.METRICS_PORT === parsed.PORT && parsed.PORT !== 0 ? undefined : parsed.METRICS_PORT,
    CACHE_MAX_BYTES: parsed.CACHE_MAX_BYTES ?? Math.floor(availableMemory() * CACHE_SHARE),
    AUTH_MODE: parsed.AUTH_MODE ?? ('none' as const),
    COHERENCE_BUS: parsed.COHERENCE_BUS ?? (parsed.REDIS_URL === undefined ? 'postgres' : 'redis'),
  };
}

/** A variable that does not fit to others. */
interface Conflict extends BadVariable {
  /** All whose values have a part in it, itself among them: where one of them cannot be read, nothing can be said. */
  readonly with: readonly (keyof Environment)[];
}

function checkAccess(environment: Environment): Conflict[] {
  const { AUTH_MODE, AUTH_KEYS, AUTH_JWT_SECRET, AUTH_JWKS_URL, AUTH_ALLOW_INSECURE, HOST } = environment;
  const conflicts: Conflict[] = [];
  if (AUTH_MODE.includes('key') && AUTH_KEYS === undefined) {
    const message = `must be set when AUTH_MODE is ${AUTH_MODE}`;
    conflicts.push({ name: 'AUTH_KEYS', message, with: ['AUTH_KEYS', 'AUTH_MODE'] });
  }
  if (AUTH_MODE.includes('jwt') && (AUTH_JWT_SECRET === undefined) === (AUTH_JWKS_URL === undefined)) {
    const message = `either this or AUTH_JWKS_URL must be set when AUTH_MODE is ${AUTH_MODE}, not both`;
    conflicts.push({ name: 'AUTH_JWT_SECRET', message, with: ['AUTH_JWT_SECRET', 'AUTH_JWKS_URL', 'AUTH_MODE'] });
  }
  if (AUTH_MODE === 'none' && !AUTH_ALLOW_INSECURE && !isLoopback(HOST)) {
    const message = 'none is refused when HOST is a public address; set AUTH_MODE=key, or AUTH_ALLOW_INSECURE=true';
    conflicts.push({ name: 'AUTH_MODE', message, with: ['AUTH_MODE', 'AUTH_ALLOW_INSECURE'] });
  }
  return conflicts;
}

function checkRedis({ COHERENCE_BUS, REDIS_URL, SHARED_CACHE }: Environment): Conflict[] {
  if (REDIS_URL !== undefined) return [];
  const missing = (message: string): Conflict[] => [{ name: 'REDIS_URL', message, with: ['REDIS_URL'] }];
  if (COHERENCE_BUS === 'redis') return missing('must be set when COHERENCE_BUS is redis');
  if (SHARED_CACHE === 'redis') return missing('must be set when SHARED_CACHE is redis');
  return [];
}

/** Times of which one has to be longer than the other. Both are named, also where one is a default: either can be mended. */
function checkTimes(environment: Environment): Conflict[] {
  const { SHUTDOWN_DRAIN_MS, SHUTDOWN_TIMEOUT_MS } = environment;
  const conflicts: Conflict[] = [];
  const add = (
    shorter: keyof Environment,
    longer: keyof Environment,
    [less, more]: readonly [string, string],
  ): void => {
    const both = [shorter, longer];
    conflicts.push({ name: shorter, message: `${less} ${longer} (${fallbackOf(longer)} unless set)`, with: both });
    conflicts.push({ name: longer, message: `${more} ${shorter} (${fallbackOf(shorter)} unless set)`, with: both });
  };
  if (SHUTDOWN_DRAIN_MS >= SHUTDOWN_TIMEOUT_MS) {
    add('SHUTDOWN_DRAIN_MS', 'SHUTDOWN_TIMEOUT_MS', ['must be below', 'must be above']);
  }
  return conflicts;
}

function fallbackOf(name: keyof Environment): string {
  return String(ENVIRONMENT_SCHEMA.shape[name].parse(undefined));
}

/** Whether a text is an address, or a range of them as `address/bits`. */
function isAddressRange(text: string): boolean {
  const [address = '', bits, ...others] = text.split('/');
  const family = isIP(address);
  if (family === 0 || others.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128))
  );
}

/** Whether a text is what browsers send as `Origin`. */
function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

/** Variables that say how callers prove who they are and are set although nobody has to: somebody may believe that they must. */
export function idleAccessVariables(environment: Environment): string[] {
  if (environment.AUTH_MODE !== 'none') return [];
  return (['AUTH_KEYS', 'AUTH_JWT_SECRET', 'AUTH_JWKS_URL'] as const).filter((name) => environment[name] !== undefined);
}

/** Whether so few polls fit into the bound that what is held comes into doubt between two good ones. */
export function isPollRare({ COHERENCE_POLL_MS, STALENESS_BOUND_MS }: Environment): boolean {
  return STALENESS_BOUND_MS < BOUND_IN_POLLS * COHERENCE_POLL_MS;
}

/** Whether a host can be reached from the same machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Memory that the process may use: the container's limit where there is one, else the machine's. */
function availableMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < totalmem() ? constrained : totalmem();
}
