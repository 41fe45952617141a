/** What one life of a contender has for itself. */
export interface Place {
  folder: string;
  port: number;
  databaseUrl: string;
  workers: number;
}
