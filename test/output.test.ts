import { createRequire } from 'node:module';
import { join } from 'node:path';
import vm from 'node:vm';
import fc from 'fast-check';
import { createColors } from 'picocolors';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../src/base/errors.ts';
import { pastThisMachine, printEcosystem } from '../src/commands/ecosystem.ts';
import { makePlan } from '../src/plan/index.ts';
import { PlanSchema } from '../src/plan/schema.ts';
import { appsOf } from '../src/render/apps.ts';
import { explainableKeys, explanationOf, similarKeys } from '../src/render/explain.ts';
import { formatOf, isConfigName, PM2_FORMATS, renderAs, USUAL_NAMES } from '../src/render/formats.ts';
import { checkOutput } from '../src/tune/output.ts';
import { cpuWish, describedMachine } from '../src/tune/requested.ts';
import { anyInput, inputOf, machineOf } from './inputs.ts';
import { temporaryFolder } from './temporary.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures', 'machine');
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Runs the command for another machine: it asks nothing of this one. */
async function print(options: Parameters<typeof printEcosystem>[0]) {
  const text = { out: '', err: '' };
  await printEcosystem(options, {
    out: (part) => {
      text.out += part;
    },
    err: (part) => {
      text.err += part;
    },
    colors: createColors(false),
  });
  return text;
}

describe('--json', () => {
  it('is what the schema says, for any plan', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOf(input);
        fc.pre(plan !== undefined);
        expect(PlanSchema.strict().parse(plain(plan))).toEqual(plain(plan));
      }),
    );
  });

  it('has the plan on stdout, and nothing else anywhere', async () => {
    const { out, err } = await print({ root: join(FIXTURES, 'laptop-hyper-threads'), json: true });
    const plan = PlanSchema.parse(JSON.parse(out));
    expect(plan).toMatchObject({
      workers: 4,
      limitedBy: 'cores',
      bounds: { database: null, services: null, user: null },
    });
    expect(plan.memory.budget).toBeGreaterThan(0);
    expect(err).toBe('');
  });
});

describe('the way past one machine', () => {
  it.each(['cores', 'memory'] as const)('is one line where its %s are the bound', (limitedBy) =>
    expect(pastThisMachine({ limitedBy, workers: 4 })).toEqual([
      `this machine’s ${limitedBy} hold it at 4 workers; past one machine: webui-tune --format helm ` +
        '--replicas N --storage-class C --host H',
    ]),
  );

  it.each(['database', 'services', 'user'] as const)('is not the answer to %s', (limitedBy) =>
    expect(pastThisMachine({ limitedBy, workers: 4 })).toEqual([]),
  );
});

describe('--root', () => {
  it('prints a file that Node can load, and says that it is no file for this machine', async () => {
    const { out, err } = await print({ root: join(FIXTURES, 'docker-quota-1.5'), memory: '1500MiB' });
    expect(vm.runInNewContext(out, { module: {} })).toMatchObject({ apps: [{}, { instances: 1 }] });
    expect(err).toContain('planned for the machine in');
    expect(err).not.toContain('pm2 start');
  });

  it('takes nothing from this machine’s environment', async () => {
    const env = { WEB_CONCURRENCY: '3', DATABASE_URL: 'sqlite:///x' };
    const { out } = await print({ root: join(FIXTURES, 'laptop-hyper-threads'), json: true, env });
    expect(JSON.parse(out)).toMatchObject({ workers: 4, services: { database: { kind: 'unknown' } } });
  });

  it('writes nothing', async () => {
    const out = join(temporaryFolder(), 'ecosystem.config.js');
    await expect(print({ root: FIXTURES, out })).rejects.toThrow('writes nothing here');
  });

  it('names the presets with which one worker would fit, and none that would not', async () => {
    const tooSmall = (flags: object) => print({ root: join(FIXTURES, 'vps-1-gib'), json: true, ...flags });
    await expect(tooSmall({})).rejects.toMatchObject({
      exitCode: EXIT.machine,
      message: expect.stringMatching(/too little memory for one worker: \d+ MiB are missing/),
      mend: expect.arrayContaining(['webui-tune --preset small: 1 worker would fit']),
    });
    // What is named does fit.
    const { out } = await tooSmall({ preset: 'small' });
    expect(JSON.parse(out)).toMatchObject({ workers: 1, preset: 'small' });
    await expect(tooSmall({ memory: '300MiB' })).rejects.toMatchObject({
      mend: expect.arrayContaining(['none of the presets would fit either']),
    });
  });

  it('must be a machine', async () =>
    expect(print({ root: temporaryFolder(), json: true })).rejects.toThrow('no proc/meminfo'));
});

describe('--cpus and --memory', () => {
  const here = machineOf(2, 2 ** 31);

  it.each([
    [4, { physicalCores: 4, source: '--cpus 4' }],
    [1.5, { physicalCores: 2, quota: { cores: 1.5, source: '--cpus 1.5' } }],
  ])('--cpus %d', (cpus, cpu) => expect(cpuWish(cpus, here)).toMatchObject({ cpu, memory: here.memory }));

  it('together are another machine', () =>
    expect(describedMachine({ cpus: 8, memory: '64GiB' }, here).memory).toMatchObject({
      totalBytes: 64 * 2 ** 30,
      availableBytes: 64 * 2 ** 30,
    }));

  it.each([{ memory: '64GiB' }, { cpus: 8 }, { cpus: 8, memory: '50%' }])('%j is this one', (flags) =>
    expect(describedMachine(flags, here).memory).toEqual(here.memory),
  );
});

describe('--explain', () => {
  const plan = makePlan(inputOf());

  it('knows every number and every setting, in any case', () => {
    for (const key of explainableKeys(plan)) {
      expect(explanationOf(plan, key.toUpperCase())).toMatchObject({
        key,
        reason: expect.stringMatching(/./),
      });
    }
  });

  it('says what holds the number of workers', () =>
    expect(explanationOf(plan, 'workers')).toEqual({
      key: 'workers',
      value: '4',
      reason: '4 physical cores (8 hyper-threads)',
      source: 'computed, limited by cores',
    }));

  it('names similar keys where there is none', async () => {
    expect(explanationOf(plan, 'memory')).toBeUndefined();
    expect(similarKeys(plan, 'memory')).toContain('memory.budget');
    expect(similarKeys(plan, 'zzz').length).toBeGreaterThan(3);
    const asked = print({ root: join(FIXTURES, 'laptop-hyper-threads'), explain: 'nothing' });
    await expect(asked).rejects.toThrow('the plan has no such key');
  });

  it('prints on stdout', async () => {
    const { out } = await print({ root: join(FIXTURES, 'laptop-hyper-threads'), explain: 'memory.budget' });
    expect(out).toMatch(/^memory\.budget = .*\n {2}.*reserve\n {2}source: computed\n$/);
  });
});

describe('--format', () => {
  it('json says the same as js, for any plan', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOf(input);
        fc.pre(plan !== undefined);
        const text = renderAs('json', plan);
        expect(JSON.parse(text)).toEqual({ apps: plain(appsOf(plan)) });
        expect(text).not.toMatch(/<\/|\u2028/);
      }),
    );
  });

  it.each(PM2_FORMATS)('%s has a name that PM2 takes for a configuration', (format) => {
    expect(isConfigName(USUAL_NAMES[format])).toBe(true);
    expect(formatOf(USUAL_NAMES[format])).toBe(format);
    const Common: unknown = createRequire(import.meta.url)('pm2/lib/Common.js');
    expect(
      (Common as { isConfigFile(name: string): string | null }).isConfigFile(USUAL_NAMES[format]),
    ).not.toBeNull();
  });

  it('may not contradict --out', async () => {
    const out = join(temporaryFolder(), 'ecosystem.config.js');
    await expect(print({ out, format: 'cjs' })).rejects.toThrow('--format cjs does not go with --out');
  });

  it('knows a JSON file that it wrote itself', () => {
    const folder = temporaryFolder({
      'ours.json': renderAs('json', makePlan(inputOf())),
      'theirs.json': '{"apps": []}',
    });
    expect(() => checkOutput(join(folder, 'ours.json'), false)).not.toThrow();
    expect(() => checkOutput(join(folder, 'theirs.json'), false)).toThrow('not written by webui-tune');
  });
});

function planOf(input: Parameters<typeof makePlan>[0]) {
  try {
    return makePlan(input);
  } catch {
    return undefined;
  }
}
