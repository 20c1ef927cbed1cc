import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/** What only SQL begins or goes on with. */
const SQL =
  /\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|FROM \w+ (WHERE|JOIN)|COPY \w+|ALTER|CREATE|DROP|LOCK TABLE|NOTIFY|LISTEN|SET LOCAL|VALUES)\b/;

/** Put into SQL without being a constant or a fragment of `fragments.ts`, with the reason that it is harmless. */
const ALLOWED: Readonly<Record<string, string>> = {
  'storage/notification-channel.ts: listening.escapeIdentifier(channel)':
    'names cannot be parameters; escaped by the driver',
  'storage/embedded/database-connection.ts: connection.database':
    'the name of our own database, before there is any caller',
  'storage/database.ts: lockWaitMs': 'a number of milliseconds, and a constant at its callers; SET takes no parameters',
  'storage/statements/count-unread.ts: row':
    'an alias, a literal at its callers: in the same file and in load-inbox.ts',
  'storage/statements/load-inbox.ts: LOAD_CHATS.text': 'another statement, as it is written',
  'storage/statements/fragments.ts: chatIdColumn': 'a column; callers are held to literals by this test',
  'storage/statements/fragments.ts: head': 'an alias; callers are held to literals by this test',
  "storage/statements/load-tails.ts: afterSeq('h.last_seq', `current_setting('scrollback.tail_messages')::int`, `current_setting('scrollback.tail_block')::int`)":
    'literals',
};

/** Run once for a database, by whoever starts the process: nothing of any caller is there. */
const MIGRATIONS = 'storage/migrations/';

interface Insertion {
  readonly place: string;
  readonly expression: string;
}

/** Everything that templates of SQL in a file insert. */
function insertions(path: string): { readonly templates: number; readonly found: Insertion[] } {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Insertion[] = [];
  let templates = 0;
  const visit = (node: ts.Node): void => {
    const isText =
      ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isStringLiteral(node);
    if (isText && SQL.test(node.getText())) {
      templates++;
      if (ts.isTemplateExpression(node)) {
        for (const { expression } of node.templateSpans)
          found.push({ place: relative('src', path), expression: expression.getText() });
      }
      if (ts.isBinaryExpression(node.parent) && node.parent.operatorToken.kind === ts.SyntaxKind.PlusToken) {
        found.push({ place: relative('src', path), expression: node.parent.getText() });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { templates, found };
}

/** A constant, or what a function of `fragments.ts` makes of constants and literals. */
const HARMLESS = /^([A-Z][A-Z\d_]*|[a-z]\w*\((('[^']*'|[A-Z][A-Z\d_]*)(, )?)*\))$/;

describe('SQL', () => {
  const files = readdirSync('src', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  it('would be seen to take text of a caller', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'scrollback-sql-')), 'bad.ts');
    writeFileSync(
      file,
      'const a = `SELECT * FROM chat WHERE id = ${chatId}`; const b = "SELECT 1 FROM chat WHERE id = " + request.id;',
    );
    const { found } = insertions(file);
    expect(found.map(({ expression }) => expression)).toEqual(['chatId', expect.stringContaining('request.id')]);
    expect(found.some(({ expression }) => HARMLESS.test(expression))).toBe(false);
  });

  const all = files.map((path) => ({ path, ...insertions(path) }));

  it('is found', () => {
    expect(all.reduce((sum, { templates }) => sum + templates, 0)).toBeGreaterThan(60);
  });

  it('takes values as parameters only', () => {
    const others = all
      .flatMap(({ found }) => found)
      .filter(({ place, expression }) => !place.startsWith(MIGRATIONS) && !HARMLESS.test(expression))
      .map(({ place, expression }) => `${place}: ${expression}`);
    expect([...new Set(others)].sort()).toEqual(Object.keys(ALLOWED).sort());
  });

  it('is in the storage layer alone', () => {
    const outside = all.filter(({ path, templates }) => templates > 0 && !relative('src', path).startsWith('storage/'));
    expect(outside.map(({ path }) => path)).toEqual([]);
  });
});
