import * as z from 'zod';
import { GIB, MIB } from '../../base/units.ts';

/** No process of Open WebUI is smaller or larger: a figure outside was not measured. */
export const bytes = z
  .int()
  .min(MIB)
  .max(1024 * GIB);
