import { Argument, type Command } from 'commander';
import { CACHE_MODES, type CacheMode } from '../cache/cache-options.js';
import { readEnvironment } from '../config/environment.js';
import { evictCommand, explainCommand, modeCommand, statsCommand, type AdminOptions } from './admin.js';
import { verifyCommand, type VerifyCommandOptions } from './verify.js';

/** Adds `scrollback admin` and what is under it. */
export function addAdminCommands(program: Command): void {
  const admin = program
    .command('admin')
    .description('look into the cache of a running instance, and tell it what to do');
  const add = (usage: string, description: string): Command =>
    admin
      .command(usage)
      .description(description)
      .option('--url <url>', 'where the instance answers; else HOST and PORT')
      .option('--json', 'print the answer as it is');
  add('stats', 'what the cache holds, how often it answers, and how current it is').action((options: AdminOptions) =>
    statsCommand(options, readEnvironment()),
  );
  add('explain <chat>', 'what is held of a chat, and how it came about').action((chat: string, options: AdminOptions) =>
    explainCommand(chat, options, readEnvironment()),
  );
  add('verify', 'compare what is held with the database')
    .option('--repair', 'drop what is wrong, so that its next reader loads it')
    .action((options: VerifyCommandOptions) => verifyCommand(options, readEnvironment()));
  add('evict <chat>', 'forget a chat, so that its next reader loads it').action((chat: string, options: AdminOptions) =>
    evictCommand(chat, options, readEnvironment()),
  );
  add('mode', 'tell how the cache is used, or change it')
    .addArgument(new Argument('[mode]', 'what to change it to').choices(CACHE_MODES))
    .action((mode: CacheMode | undefined, options: AdminOptions) => modeCommand(mode, options, readEnvironment()));
}
