import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/plan/index.ts';
import { inputOf } from '../../kit/inputs.ts';

describe('the address', () => {
  const reason = (host: string) =>
    makePlan(inputOf({ host: { value: host, from: '--host', source: 'flag' } })).recommendations.find(
      ({ key }) => key === 'address',
    )?.reason;

  it.each(['127.0.0.1', 'localhost', '::1', '[::1]'])('%s: says how to serve other machines', (host) =>
    expect(reason(host)).toContain('a reverse proxy in front, or --host 0.0.0.0'),
  );

  it.each(['0.0.0.0', '::', '10.0.0.5', 'localhost.example.org'])('%s: serves them', (host) =>
    expect(reason(host)).not.toContain('proxy'),
  );
});
