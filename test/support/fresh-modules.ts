import { vi } from 'vitest';

// The first setup file of vitest: test files share a process, or in Deno a thread, but each evaluates all modules again.
vi.resetModules();
