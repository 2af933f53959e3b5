export function findDeno(): string | null;
export function ensureDeno(): string;
