/** A measurement that is kept in a home, as webui-tune keeps its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import type { Plan } from '../../src/plan/types.ts';
import type { Observed } from '../../src/tune/measurements/observed.ts';

/** A measurement of nobody: far less than Open WebUI takes, and older than all that will be observed. */
export function keepTooLittle(home: string, plan: Plan): void {
  const { openWebui, memory, machine, preset } = plan;
  const figures: Observed = {
    observed: true,
    conditions: {
      openWebui: openWebui.version,
      python: openWebui.python,
      torch: openWebui.torch ?? '',
      architecture: machine.architecture,
      preset,
      level: 'full',
      embedsLocally: true,
      settings: memory.conditions ?? '',
    },
    at: '2026-01-01T00:00:00.000Z',
    base: 300 * MIB,
    worker: 30 * MIB,
    idle: 30 * MIB,
    supervisor: 5 * MIB,
  };
  const folder = join(home, '.local/share/webui-tune/measurements');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'too-little.json'), JSON.stringify(figures));
}
