import { readFileSync } from 'node:fs';

/** A line of a Dockerfile: `RUN`, `COPY`, … and what follows. */
export interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** What is done between two `FROM`. */
export interface Stage {
  readonly base: string;
  /** `AS …`; `undefined` for one without a name. */
  readonly alias: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** Reads a Dockerfile as far as ours goes: no variables, no here-documents. */
export function readDockerfile(path: string): Stage[] {
  const stages: (Stage & { readonly instructions: Instruction[] })[] = [];
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '');
  for (const line of lines.split('\n')) {
    const [, name, value] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    if (name === 'FROM') {
      const [, base, alias] = /^(\S+)(?: AS (\S+))?$/.exec(value)!;
      stages.push({ base: base!, alias, instructions: [] });
    } else {
      stages.at(-1)!.instructions.push({ name, value });
    }
  }
  return stages;
}
