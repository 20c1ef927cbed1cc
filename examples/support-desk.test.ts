import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CacheStats } from '../src/cache/cache-stats.js';
import { createTestDatabase, type TestDatabase } from '../test/support/test-database.js';
import { SupportDesk, SupportDeskModule } from './support-desk.module.js';

describe('an application that embeds the modules', () => {
  let database: TestDatabase;
  let app: INestApplicationContext;
  beforeAll(async () => {
    database = await createTestDatabase();
    process.env['SUPPORT_DATABASE_URL'] = database.url;
    app = await NestFactory.createApplicationContext(SupportDeskModule, { logger: false });
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('writes through the repositories and reads its own writes from the cache', async () => {
    const desk = app.get(SupportDesk);
    const ticket = await desk.openTicket('carla', 'Where is my parcel?');
    expect(await desk.transcript(ticket)).toEqual(['carla: Where is my parcel?']);
    await desk.answer(ticket, 'On its way.');
    expect(await desk.transcript(ticket)).toEqual(['carla: Where is my parcel?', 'support: On its way.']);
    expect(await desk.openTickets()).toBe(1);
    const stats = app.get(CacheStats, { strict: false });
    const before = { ...stats.requests('messages') };
    await desk.transcript(ticket);
    expect(stats.requests('messages')).toEqual({ ...before, hit: before.hit + 1 });
  });
});
