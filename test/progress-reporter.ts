import { relative } from 'node:path';
import type { TestCase, TestModule, TestSpecification, TestSuite } from 'vitest/node';
import { DefaultReporter } from 'vitest/node';

const EVERY_MS = 15_000;

/**
 * vitest's own reporter for a run that takes minutes: it also says how long that is, how far it got, and by name what
 * this machine cannot run. Sends the counts to `scripts/test.mjs`, which prints them last.
 */
export default class ProgressReporter extends DefaultReporter {
  #files = 0;
  #done = 0;
  #failed = 0;
  #startedAt = 0;
  #saidAt = 0;

  override onTestRunStart(specifications: readonly TestSpecification[]): void {
    super.onTestRunStart(specifications);
    this.#files = specifications.length;
    this.#startedAt = this.#saidAt = performance.now();
    this.ctx.logger.log(`${this.#files} files; all of them take about 3 minutes on two idle cores`);
  }

  override onTestCaseResult(test: TestCase): void {
    super.onTestCaseResult(test);
    if (test.result().state === 'failed') this.#failed++;
  }

  override onTestModuleEnd(module: TestModule): void {
    super.onTestModuleEnd(module);
    this.#done++;
    const now = performance.now();
    if (now - this.#saidAt < EVERY_MS) return;
    this.#saidAt = now;
    const seconds = Math.round((now - this.#startedAt) / 1000);
    this.ctx.logger.log(
      `${this.#done} of ${this.#files} files after ${seconds} s, ${this.#failed} tests failed`,
    );
  }

  override onTestRunEnd(...ended: Parameters<DefaultReporter['onTestRunEnd']>): void {
    super.onTestRunEnd(...ended);
    const counts = { passed: 0, failed: ended[1].length, skipped: 0 };
    for (const module of ended[0]) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'failed' : state]++;
      }
      // It could not be loaded, or a hook failed.
      if (module.errors().length > 0) counts.failed++;
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed++;
      const file = relative(this.ctx.config.root, module.moduleId);
      for (const name of skippedIn(module)) this.ctx.logger.log(`skipped: ${file}: ${name}`);
    }
    process.send?.(counts);
  }
}

/** What is skipped on purpose: a suite by its own name alone. */
function* skippedIn(parent: TestModule | TestSuite): Generator<string> {
  for (const child of parent.children) {
    if (child.options.mode === 'skip') yield child.fullName;
    else if (child.type === 'suite') yield* skippedIn(child);
  }
}
