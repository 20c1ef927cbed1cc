import { Command } from 'commander';
import { ConfigurationError, EXIT_BAD_CONFIGURATION, readEnvironment } from '../config/environment.js';
import { serve } from '../main.js';
import { migrateCommand } from './migrate.js';

/** Runs the `scrollback` command. Never throws: what goes wrong becomes a message and an exit code. */
export async function run(argv: readonly string[]): Promise<void> {
  const program = new Command('scrollback')
    .description('A cache-first store for chats and messages.')
    .showHelpAfterError();
  program
    .command('serve', { isDefault: true })
    .description('Start an instance and serve until it is told to stop. Settings come from the environment.')
    .action(async () => {
      await serve(readEnvironment());
    });
  program
    .command('migrate')
    .description('Bring the database schema up to date.')
    .action(() => migrateCommand(readEnvironment()));
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof ConfigurationError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = EXIT_BAD_CONFIGURATION;
    } else {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}
