import { describe, expect, it } from 'vitest';
import { renderMeasurement } from '../../../src/bench/measure/table.ts';
import { MeasurementSchema } from '../../../src/tune/measurements/kept.ts';
import { MEASUREMENT } from '../../kit/measurement.ts';

describe('what is printed', () => {
  it('has every figure with its meaning', () => {
    expect(MeasurementSchema.parse(MEASUREMENT)).toEqual(MEASUREMENT);
    expect(renderMeasurement({ ...MEASUREMENT, notes: ['a note'] })).toMatchInlineSnapshot(`
      "Open WebUI 0.12.4, Python 3.11.7, preset default, remote embeddings: measured on this machine on 2026-03-01, in 80 s
        preload      400 MiB  once: level lean, and all else that is shared
        worker        90 MiB  private memory after chats, an upload and API calls; 40 MiB before
        supervisor     8 MiB  private memory, one a worker
        all of it    600 MiB  with 2 workers
        boot            12 s  until all serve; 20 s on an empty database
        fork          250 ms  until a forked worker serves
        API call     12.5 ms  of a worker’s CPU
        connections      4.5  to PostgreSQL a worker, while 12 clients ask
        a note
      "
    `);
  });
});
