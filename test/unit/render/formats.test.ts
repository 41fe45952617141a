import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appsOf } from '../../../src/render/apps.ts';
import { formatOf, isConfigName, PM2_FORMATS, renderAs, USUAL_NAMES } from '../../../src/render/formats.ts';
import { anyInput } from '../../kit/inputs.ts';
import { planOrNothing } from '../../kit/plans.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('the formats of PM2', () => {
  it('json says the same as js, for any plan', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const plan = planOrNothing(input);
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
});
