import { describe, expect, it } from 'vitest';
import { pm2Environment } from '../../../src/setup/pm2/client.ts';

describe('the environment of PM2', () => {
  it('has no settings, and nothing of npm’s', () => {
    const env = { PATH: '/bin', npm_config_x: '1', INIT_CWD: '/', OPENAI_API_KEY: 'secret', HOME: '/h' };
    expect(pm2Environment(env, ['OPENAI_API_KEY'])).toEqual({ PATH: '/bin', HOME: '/h' });
  });
});
