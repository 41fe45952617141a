export function missingForPodman(): string[];
export function ensurePodman(): void;
