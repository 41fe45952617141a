import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { appsOf } from '../../../src/render/apps.ts';
import { renderEcosystem } from '../../../src/render/ecosystem.ts';
import { HEADER } from '../../../src/render/first-lines.ts';
import { faultsOf } from '../../../src/setup/pm2/schema.ts';
import { anyInput, inputOf } from '../../kit/inputs.ts';
import { planOrNothing } from '../../kit/plans.ts';
import { settingsOf } from '../../kit/settings-of.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

/** What the text makes of `module.exports`, without anything that it could call. */
function load(text: string): unknown {
  const module = { exports: {} };
  vm.runInNewContext(text, { module });
  return JSON.parse(JSON.stringify(module.exports));
}

/** Own properties only, so that `__proto__` is one like any other. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('renderEcosystem', () => {
  it('is valid JavaScript that says exactly what was planned, for any plan', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
        fc.pre(plan !== undefined);
        const apps = appsOf(plan);
        expect(load(renderEcosystem(plan))).toEqual({ apps: plain(apps) });
        expect(faultsOf(apps)).toEqual([]);
        expect(renderEcosystem(plan)).toBe(renderEcosystem(plan));
      }),
    );
  });

  it('is loaded by Node as PM2 does it', () => {
    const path = join(temporaryFolder(), 'ecosystem.config.js');
    const plan = makePlan(inputOf());
    writeFileSync(path, renderEcosystem(plan));
    expect(createRequire(import.meta.url)(path)).toEqual({ apps: plain(appsOf(plan)) });
  });

  it('begins with the line that we know our files by', () =>
    expect(renderEcosystem(makePlan(inputOf())).startsWith(`${HEADER}\n`)).toBe(true));

  it('has not changed by accident', () =>
    expect(renderEcosystem(makePlan(inputOf()))).toMatchFileSnapshot(
      '../../fixtures/ecosystem.config.js.txt',
    ));

  it('holds no value of a setting in its comments', () => {
    const text = renderEcosystem(makePlan(inputOf({ settings: settingsOf({ WEBUI_NAME: 'hunter2' }) })));
    const comments = text.match(/\/\/.*/g)?.join() ?? '';
    expect(text).toContain('hunter2');
    expect(comments).not.toContain('hunter2');
  });
});
