import { Command, InvalidArgumentError } from 'commander';
import { packageVersion } from '../common/package-version.js';
import { UUID_PATTERN } from '../common/uuid.js';
import { parseDuration } from '../config/duration.js';
import { ConfigurationError, EXIT_BAD_CONFIGURATION, readEnvironment } from '../config/environment.js';
import { serve } from '../main.js';
import { generateConversations } from '../transfer/generator.js';
import { addAdminCommands } from './admin-commands.js';
import { demoCommand } from './demo.js';
import { exportCommand } from './export.js';
import { importCommand } from './import.js';
import { keyCreateCommand, keyName } from './key.js';
import { migrateCommand, type MigrateCommandOptions } from './migrate.js';
import { purgeCommand, type PurgeCommandOptions } from './purge.js';
import { explain, tellFailedStart } from './start-failure.js';
import { verifyCommand, type VerifyCommandOptions } from './verify.js';

/** Runs the `scrollback` command. Never throws: what goes wrong becomes a message and an exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  // Whoever reads what a command prints may have enough of it (`| head`). An instance's log is another matter.
  if (argv[2] !== 'serve') process.stdout.on('error', endWhenNobodyReads);
  try {
    await commands().parseAsync([...argv]);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exit(exitCodeOf(error));
  }
}

function exitCodeOf(error: unknown): number {
  return error instanceof ConfigurationError ? EXIT_BAD_CONFIGURATION : 1;
}

/** What it says of a failed start belongs into the log, unlike what other commands say. */
async function serveCommand(): Promise<void> {
  try {
    await serve(readEnvironment());
  } catch (error) {
    tellFailedStart(error, process.stderr);
    process.exit(exitCodeOf(error));
  }
}

function endWhenNobodyReads(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

function commands(): Command {
  const program = new Command('scrollback')
    .description('A cache-first store for chats and messages. Settings come from the environment.')
    .version(packageVersion(), '-v, --version')
    .showHelpAfterError();
  program
    .command('serve')
    .description('start an instance and serve until it is told to stop')
    .addHelpText(
      'after',
      '\nSettings are variables of the environment: docs/configuration.md lists them, with their defaults.',
    )
    .action(serveCommand);
  program
    .command('migrate')
    .description('bring the database schema up to date')
    .option('--dry-run', 'print the SQL that would be run, and run none of it')
    .action((options: MigrateCommandOptions) => migrateCommand(options, readEnvironment()));
  program
    .command('import')
    .description('import conversations; what is there already is not added twice')
    .argument('<dir>', 'folder with users.jsonl, chats.jsonl and messages.jsonl, plain or .gz')
    .option('--format <format>', 'the format of the files; jsonl is the only one', jsonlOnly, 'jsonl')
    .option('--strict', 'stop at the first line that cannot be imported')
    .action((dir: string, options: { strict?: boolean }) => importCommand(dir, options, readEnvironment()));
  program
    .command('export')
    .description('write everything in the import format')
    .argument('<dir>', 'folder to write to; made if missing')
    .option('--format <format>', 'the format of the files; jsonl is the only one', jsonlOnly, 'jsonl')
    .option('--gzip', 'compress the files')
    .action((dir: string, options: { gzip?: boolean }) => exportCommand(dir, options, readEnvironment()));
  program
    .command('purge')
    .description('delete old messages for good; also beside running instances')
    .requiredOption('--older-than <age>', 'messages created longer ago than this: 90d, 12h, 30m, 2w', duration)
    .option('--chat <id>', 'only in this chat; may be repeated', addChatId)
    .option('--dry-run', 'say what would be deleted, and delete nothing')
    .action((options: PurgeCommandOptions) => purgeCommand(options, readEnvironment()));
  program
    .command('verify')
    .description('compare the cache of a running instance with the database')
    .option('--url <url>', 'where the instance answers; else HOST and PORT')
    .option('--repair', 'drop what is wrong, so that its next reader loads it')
    .action((options: VerifyCommandOptions) => verifyCommand(options, readEnvironment()));
  addAdminCommands(program);
  program
    .command('key')
    .description('make service keys')
    .command('create')
    .description('make a key, and say what to put into AUTH_KEYS so that it is known')
    .argument('<name>', 'who will have it: 1 to 64 letters, digits, dots, dashes', keyName)
    .action((name: string) => keyCreateCommand(name));
  program
    .command('generate')
    .description('write made-up conversations with the shape of real ones, in the import format')
    .argument('<dir>', 'folder to write to; made if missing')
    .option('--messages <count>', 'how many messages', wholeNumber, 100_000)
    .option('--seed <number>', 'the same seed gives the same files', wholeNumber, 1)
    .action(async (dir: string, options: { messages: number; seed: number }) => {
      const made = await generateConversations(dir, options);
      process.stdout.write(`Wrote ${made.messages} messages, ${made.chats} chats and ${made.users} users to ${dir}.\n`);
    });
  program
    .command('demo')
    .description('start an instance on a database of its own, with conversations in it, and show it around')
    .option('--data <dir>', 'conversations in the import format instead of the bundled ones')
    .option('--messages <count>', 'add this many made-up messages', wholeNumber)
    .action((options: { data?: string; messages?: number }) => demoCommand(options, readEnvironment()));
  return program;
}

function wholeNumber(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1) throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return value;
}

function duration(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs === undefined) {
    throw new InvalidArgumentError('It must be a whole number of minutes, hours, days or weeks: 30m, 12h, 90d, 2w.');
  }
  return durationMs;
}

function addChatId(text: string, before: readonly string[] = []): readonly string[] {
  if (!UUID_PATTERN.test(text)) throw new InvalidArgumentError('It must be the id of a chat, a UUID.');
  return [...before, text.toLowerCase()];
}

function jsonlOnly(text: string): string {
  if (text !== 'jsonl') throw new InvalidArgumentError('jsonl is the only format.');
  return text;
}
