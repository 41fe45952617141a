export function wheelsOf(words: readonly string[]): string | undefined;
export function npmWords(wheels: string | undefined): string[];
