import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderCheckTable } from '../../../src/doctor/check-table.ts';
import { CHECKS } from '../../../src/doctor/checks/index.ts';
import { ROOT } from '../../kit/environment.ts';

describe('the checks', () => {
  it('are many, each with a name of its own', () => {
    const ids = CHECKS.map(({ id }) => id);
    expect(ids.length).toBeGreaterThanOrEqual(25);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('tell of each fact that may fail', () => {
    // A machine that cannot be read is told by the plan; services are the database and Redis together.
    const needed = new Set(CHECKS.flatMap(({ needs }) => needs));
    const told = new Set(CHECKS.flatMap(({ about }) => about ?? []));
    const throwing = [
      'ecosystem',
      'viewpoint',
      'interpreter',
      'expected',
      'installation',
      'database',
      'redis',
    ];
    for (const name of [...throwing, 'broker', 'plan', 'pm2', 'crossing', 'trials', 'models'])
      expect(told, name).toContain(name);
    for (const name of told) expect(needed).toContain(name);
  });

  it('say why, how it is known, and what must hold', () => {
    for (const { id, title, why, source } of CHECKS) {
      for (const text of [title, why, source]) expect(text.length, id).toBeGreaterThan(5);
    }
  });

  it('are those of the documentation', () => {
    const page = readFileSync(join(ROOT, 'docs', 'doctor.md'), 'utf8');
    expect(page).toContain(renderCheckTable(CHECKS));
  });
});
