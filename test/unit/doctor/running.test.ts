import { describe, expect, it } from 'vitest';
import { environmentDiffers } from '../../../src/doctor/checks/running.ts';
import { APPS, ENV } from '../../../src/runtime/contract.ts';

describe('how what PM2 runs differs from the file', () => {
  const running = (env: Record<string, string>) =>
    ({ processes: [{ name: APPS.preload, pm2_env: { env } }] }) as unknown as Parameters<
      typeof environmentDiffers
    >[0];
  const file = (env: Record<string, string>) =>
    ({ apps: [{ name: APPS.preload, env }] }) as unknown as Parameters<typeof environmentDiffers>[1];

  it('is by the names of variables', () => {
    const differing = environmentDiffers(running({ A: '1', B: '2' }), file({ A: '1', B: '3', C: '4' }));
    expect(differing).toEqual(['B', 'C']);
  });

  it('is not by the figures that a new plan has for the same workers', () => {
    expect(environmentDiffers(running({ [ENV.planned]: '1' }), file({ [ENV.planned]: '2' }))).toEqual([]);
  });
});
