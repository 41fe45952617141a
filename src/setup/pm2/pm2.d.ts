/** The part of PM2 that has no types of its own. */
declare module 'pm2/lib/tools/Config.js' {
  interface SchemaEntry {
    alias?: string[];
  }
  const Config: {
    /** pm2/lib/API/schema.json, with the aliases of each key filled in. */
    readonly schema: Record<string, SchemaEntry>;
    validateJSON(app: object): { errors: string[]; config: Record<string, unknown> };
  };
  export default Config;
}
