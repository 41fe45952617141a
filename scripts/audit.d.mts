export function judge(text: string): { failed: boolean; lines: string[] };
