export function fromPip(text: string): Record<string, string>;
