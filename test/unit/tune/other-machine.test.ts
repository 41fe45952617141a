import { join } from 'node:path';
import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../../src/base/errors.ts';
import { printed } from '../../kit/printed.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures', 'machine');

describe('--root', () => {
  it('prints a file that Node can load, and says that it is no file for this machine', async () => {
    const { out, err } = await printed({ root: join(FIXTURES, 'docker-quota-1.5'), memory: '1500MiB' });
    expect(vm.runInNewContext(out, { module: {} })).toMatchObject({ apps: [{}, { instances: 1 }] });
    expect(err).toContain('planned for the machine in');
    expect(err).not.toContain('pm2 start');
  });

  it('takes nothing from this machine’s environment', async () => {
    const env = { WEB_CONCURRENCY: '3', DATABASE_URL: 'sqlite:///x' };
    const { out } = await printed({ root: join(FIXTURES, 'laptop-hyper-threads'), json: true, env });
    expect(JSON.parse(out)).toMatchObject({ workers: 4, services: { database: { kind: 'unknown' } } });
  });

  it('writes nothing', async () => {
    const out = join(temporaryFolder(), 'ecosystem.config.js');
    await expect(printed({ root: FIXTURES, out })).rejects.toThrow('writes nothing here');
  });

  it('names the presets with which workers would fit, and none that would not', async () => {
    const tooSmall = (flags: object) => printed({ root: join(FIXTURES, 'vps-1-gib'), json: true, ...flags });
    await expect(tooSmall({})).rejects.toMatchObject({
      exitCode: EXIT.machine,
      message: expect.stringMatching(/too little memory for one worker: \d+ MiB are missing/),
      mend: expect.arrayContaining(['webui-tune --preset small: 2 workers would fit']),
    });
    // What is named does fit.
    const { out } = await tooSmall({ preset: 'small' });
    expect(JSON.parse(out)).toMatchObject({ workers: 2, preset: 'small' });
    await expect(tooSmall({ memory: '300MiB' })).rejects.toMatchObject({
      mend: expect.arrayContaining(['none of the presets would fit either']),
    });
  });

  it('must be a machine', async () =>
    expect(printed({ root: temporaryFolder(), json: true })).rejects.toThrow('no proc/meminfo'));
});
