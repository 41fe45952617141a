export function wheelsOf(words: readonly string[]): string | undefined;
export function npmWords(wheels: string | undefined): string[];
export function withWritable<T>(wheels: string, install: (folder: string) => T): T;
export function prepareProgram(wheels?: string): void;
