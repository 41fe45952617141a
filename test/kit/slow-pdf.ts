import { assemble, pageTree } from '../../src/bench/samples/pdf.ts';

/** A small file that takes hours: its one page comes again and again. */
export function makeSlowPdf(times = 100_000): Buffer<ArrayBuffer> {
  return assemble(pageTree(Array(times).fill(0), 1, 0));
}
