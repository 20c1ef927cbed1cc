import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { storageOptions } from './src/storage/data-source-options.js';

/**
 * The DataSource of the TypeORM command line (`npm run typeorm -- migration:show`).
 * The application builds its own from the same {@link storageOptions}, so both see one set of entities and migrations.
 *
 * @remarks Needs `DATABASE_URL`: the command line does not start the embedded PostgreSQL.
 */
export const dataSource = new DataSource(storageOptions({ url: process.env['DATABASE_URL'] }));
