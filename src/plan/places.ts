import * as z from 'zod';

/** Paths of the installation; every path is absolute. */
export const PlacesSchema = z.object({
  /** Python interpreter that has Open WebUI. */
  python: z.string(),
  /** Folder of the runtime files (contract.ts, RUNTIME_FILES). */
  runtime: z.string(),
  dataDir: z.string(),
  controlSocket: z.string(),
  secretsFile: z.string(),
  /** Folder of the compressed static files, which all installations of the user share. */
  staticCache: z.string(),
  /** The user's env file; undefined: none. */
  envFile: z.string().exactOptional(),
});

export type Places = z.infer<typeof PlacesSchema>;
