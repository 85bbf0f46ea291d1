import type { Logger } from '#src/observe/logger.js';
import type { Sandboxes } from '../sandbox/sandboxes.ts';
import type { AgentProgram } from './agent-program.ts';
import type { EntryTable } from './entry-table.ts';
import type { Policies } from './policies.ts';

export interface LifeOptions {
  sandboxes: Sandboxes;
  agent: AgentProgram;
  policies: Policies;
  table: EntryTable;
  agentToken(sandboxId: string): string;
  newId(): string;
  now(): number;
  log: Logger;
}
