/** The order of test files: those that take longest begin first, so that no process ends long after the other. */
import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those of more than a minute, the longest first. */
const LONGEST = [
  ...['first-start', 'doctor', 'bench', 'migrate', 'up-accounts', 'chaos', 'upgrade', 'killed'],
  ...['up', 'doctor-broken', 'top', 'uvicorn', 'backup'],
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

function placeOf({ moduleId, project }: TestSpecification): number {
  const place = LONGEST.indexOf(basename(moduleId, '.test.ts'));
  return ['e2e', 'long'].includes(project.name) && place >= 0 ? place : LONGEST.length;
}
