import { describe, expect, it } from 'vitest';
import { hasPostgresData } from '../../../src/setup/embedded/postgres.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

describe('a database cluster', () => {
  it('of another version is named, and left', () => {
    const services = temporaryFolder({ 'postgres/PG_VERSION': '17\n' });
    expect(() => hasPostgresData(services)).toThrow(/PostgreSQL 17.*brings 18.*left as it is/);
  });

  it('is told from another folder', () => {
    expect(() => hasPostgresData(temporaryFolder({ 'postgres/notes.txt': '' }))).toThrow('no data folder');
    expect(hasPostgresData(temporaryFolder({ 'postgres/PG_VERSION': '18\n' }))).toBe(true);
    expect(hasPostgresData(temporaryFolder())).toBe(false);
  });
});
