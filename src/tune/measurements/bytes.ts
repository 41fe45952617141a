import * as z from 'zod';
import { GIB, MIB } from '../../base/units.ts';

/** No process of Open WebUI is as small or as large: such a figure was not measured. */
export const bytes = z
  .int()
  .min(MIB)
  .max(1024 * GIB);
