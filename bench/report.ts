import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';

/** One line of a benchmark's table. */
export interface Figure {
  /** Heading of the table that it is in; figures with the same one stand together. */
  readonly table?: string;
  readonly name: string;
  /** One value per round. */
  readonly rounds: readonly number[];
  readonly unit: string;
}

const REPORT = 'docs/benchmarks.md';

const HEADER = `# Benchmarks

Made by \`npm run bench\`; not to be edited by hand. Every comparison alternates its sides in one run; what counts are
the ratios, since machines differ and are noisy.
`;

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Replaces a benchmark's section in the report, and prints it. */
export function writeSection(title: string, text: string, figures: readonly Figure[]): void {
  const section = [
    `## ${title}`,
    '',
    text,
    '',
    ...figures.flatMap(({ table = '', name, rounds, unit }, index) => {
      const [middle, low, high] = [median(rounds), Math.min(...rounds), Math.max(...rounds)].map(format);
      const line = `| ${name} | ${middle} ${unit} | ${low} | ${high} | ${rounds.length} |`;
      if (index > 0 && (figures[index - 1]!.table ?? '') === table) return [line];
      return [
        ...(index > 0 ? [''] : []),
        `|${table === '' ? '' : ` ${table}`} | median | lowest | highest | rounds |`,
        '|---|---|---|---|---|',
        line,
      ];
    }),
    '',
    measuredOn(),
    '',
  ].join('\n');
  process.stdout.write(`\n${section}`);
  const report = existsSync(REPORT) ? readFileSync(REPORT, 'utf8') : HEADER;
  const start = report.indexOf(`## ${title}\n`);
  if (start === -1) {
    writeFileSync(REPORT, `${report.trimEnd()}\n\n${section}`);
    return;
  }
  const end = report.indexOf('\n## ', start);
  writeFileSync(REPORT, report.slice(0, start) + section + (end === -1 ? '' : report.slice(end)));
}

/** The machine, the day and the revision of what is measured now, as a sentence. */
export function measuredOn(): string {
  return `${machine()}, ${new Date().toISOString().slice(0, 10)}, ${revision()}.`;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function machine(): string {
  const [first] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `Measured on ${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${memory} GiB, Node ${process.version}`;
}

function revision(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  try {
    return `revision ${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with changes'}`;
  } catch {
    return 'no revision known';
  }
}
