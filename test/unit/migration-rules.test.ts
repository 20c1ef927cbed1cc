import { describe, expect, it } from '@jest/globals';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { migrations } from '../../src/storage/migrations/migrations.js';

/**
 * What the version before, which still runs, could not go on with; and what keeps it out for as long as a table is large. Only
 * of tables that are there already: a migration may do with its own as it likes. `chat_head` has one narrow row for each chat, which are indexed in half a
 * second for a million.
 */
const RULES: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: 'drops', pattern: /\bDROP\s+(TABLE|COLUMN|VIEW|SCHEMA|TYPE|SEQUENCE)\b/ },
  { name: 'renames', pattern: /\bALTER\s+\w+\s+.*\bRENAME\b/s },
  { name: 'retypes a column', pattern: /\bALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE\b/ },
  {
    name: 'demands a column',
    pattern: /\bSET\s+NOT\s+NULL\b|\bADD\s+COLUMN\b(?!.*\b(DEFAULT|GENERATED)\b).*\bNOT\s+NULL\b/s,
  },
  { name: 'checks every row under its lock', pattern: /\bALTER\s+TABLE\b.*\bADD\s+CONSTRAINT\b(?!.*\bNOT\s+VALID\b)/s },
  {
    name: 'keeps writers out of a table',
    pattern: /\bCREATE\s+(UNIQUE\s+)?INDEX\b(?!\s+CONCURRENTLY)(?!.*\bON\s+chat_head\b)/,
  },
  {
    name: 'rewrites every row in one transaction',
    pattern: /^\s*(UPDATE|DELETE\s+FROM)\s+(message|participant|chat)\b/,
  },
];

/** Statements of a migration, bodies of functions left out: what they do is done later, and by the row. */
async function statementsOf(migration: MigrationInterface): Promise<string[]> {
  const statements: string[] = [];
  const recorder = { query: async (sql: string): Promise<void> => void statements.push(sql) };
  await migration.up(recorder as unknown as QueryRunner);
  return statements.map((sql) => sql.replaceAll(/(\$\w*\$).*?\1/gs, ''));
}

const broken = (sql: string): string[] => RULES.filter(({ pattern }) => pattern.test(sql)).map(({ name }) => name);

describe('every migration after the first', () => {
  it.each(migrations.slice(1).map((migration) => new migration()))(
    '$name can be run beside the version before',
    async (migration) => {
      const statements = await statementsOf(migration);
      expect(statements.length).toBeGreaterThan(0);
      expect(statements.filter((sql) => broken(sql).length > 0)).toEqual([]);
    },
  );
});

describe('the rules', () => {
  it.each([
    ['drops', 'ALTER TABLE message DROP COLUMN text'],
    ['drops', 'DROP TABLE reaction'],
    ['renames', 'ALTER TABLE message RENAME COLUMN text TO body'],
    ['retypes a column', 'ALTER TABLE message ALTER COLUMN seq TYPE integer'],
    ['demands a column', 'ALTER TABLE message ADD COLUMN topic text NOT NULL'],
    ['demands a column', 'ALTER TABLE message ALTER COLUMN reply_to SET NOT NULL'],
    ['checks every row under its lock', 'ALTER TABLE chat ADD CONSTRAINT c CHECK (true)'],
    ['keeps writers out of a table', 'CREATE UNIQUE INDEX i ON message (id)'],
    ['rewrites every row in one transaction', 'UPDATE message SET version = 1'],
  ])('name what %s', (name, sql) => {
    expect(broken(sql)).toEqual([name]);
  });

  it.each([
    'ALTER TABLE message ADD COLUMN topic text',
    `ALTER TABLE message ADD COLUMN topic text NOT NULL DEFAULT ''`,
    'ALTER TABLE chat ADD CONSTRAINT c CHECK (true) NOT VALID',
    'CREATE TABLE pin (chat_id uuid NOT NULL)',
    'CREATE INDEX CONCURRENTLY i ON message (id)',
    'CREATE INDEX i ON chat_head (version)',
    'ALTER TABLE chat ADD COLUMN length int NOT NULL GENERATED ALWAYS AS (char_length(title)) STORED',
  ])('let pass: %s', (sql) => {
    expect(broken(sql)).toEqual([]);
  });
});
