import { describe, expect, it } from 'vitest';
import { requireDrivers } from '../../../src/facts/settings/drivers.ts';
import { settingsOf } from '../../kit/settings-of.ts';

describe('requireDrivers', () => {
  const postgres = settingsOf({ DATABASE_URL: 'postgresql://u@h/n' });

  it('names the package and the command', () => {
    expect(() => requireDrivers(postgres, {}, '/v/bin/python')).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('psycopg2'),
        mend: ["/v/bin/python -m pip install 'open-webui[postgres]'"],
      }),
    );
    expect(() => requireDrivers(settingsOf({ VECTOR_DB: 'pgvector' }), {}, '/p')).toThrow('pgvector');
  });

  it('asks for nothing that is not needed', () => {
    expect(() => requireDrivers(postgres, { psycopg2: true }, '/p')).not.toThrow();
    expect(() => requireDrivers(settingsOf({}), {}, '/p')).not.toThrow();
  });
});
