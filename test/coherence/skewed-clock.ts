// Loaded by an instance before anything else (`node --import`): its wall clock is wrong by CLOCK_SKEW_MS, and jumps to being wrong by as
// much the other way at each SIGUSR2. The monotonic clock is left alone: nobody can set that one.
const trueNow = Date.now.bind(Date);
const RealDate = Date;
let skewMs = Number(process.env['CLOCK_SKEW_MS'] ?? 0);

const now = (): number => trueNow() + skewMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, values: [], newTarget) =>
    Reflect.construct(target, values.length === 0 ? [now()] : values, newTarget) as Date,
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === 'now' ? now : (Reflect.get(target, key) as unknown)),
});

process.on('SIGUSR2', () => {
  skewMs = -skewMs;
});
