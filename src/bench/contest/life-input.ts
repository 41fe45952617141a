/** What one life of a contender has that no other has. */
export interface LifeInput {
  folder: string;
  port: number;
  databaseUrl: string;
  workers: number;
}
