import { describe, expect, it } from 'vitest';
import { embeddedInUse } from '../../../src/facts/embedded/installed.ts';
import { parseDatabaseUrl } from '../../../src/facts/services/urls.ts';
import { embeddedUrls } from '../../../src/setup/embedded/passwords.ts';
import { settingsOf } from '../../kit/settings-of.ts';

const INSTALLED = { postgresPort: 55_432, valkeyPort: 56_379 };

describe('the URLs', () => {
  const passwords = { superuser: 's', openwebui: 'o-_1', valkey: 'v-_2' };
  const urls = embeddedUrls(passwords, INSTALLED);

  it('are read as Open WebUI reads them', () => {
    expect(parseDatabaseUrl(urls.DATABASE_URL)).toMatchObject({
      scheme: 'postgresql',
      user: 'openwebui',
      password: 'o-_1',
      host: '127.0.0.1',
      port: 55_432,
      database: 'openwebui',
    });
    expect(new URL(urls.REDIS_URL).password).toBe('v-_2');
  });

  it('tell which of the services are in use', () => {
    expect(embeddedInUse(settingsOf(urls), INSTALLED)).toEqual({ database: true, broker: true });
    expect(embeddedInUse(settingsOf({}), INSTALLED)).toEqual({ database: false, broker: false });
    const others = {
      DATABASE_URL: 'postgresql://u:p@127.0.0.1:5432/d',
      REDIS_URL: 'redis://127.0.0.1:6379/0',
    };
    expect(embeddedInUse(settingsOf(others), INSTALLED)).toEqual({ database: false, broker: false });
  });
});
