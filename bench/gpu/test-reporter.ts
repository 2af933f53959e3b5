import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule, TestSpecification, TestSuite } from 'vitest/node';
import { LINES_VARIABLE, type TestLine } from './tests.ts';

interface Failure {
  message: string;
}

/** A reporter of vitest that writes each event at once, as a line of JSON, so that nothing is lost if the run is stopped. */
export default class LineReporter implements Reporter {
  private write(line: TestLine): void {
    appendFileSync(process.env[LINES_VARIABLE]!, `${JSON.stringify(line)}\n`);
  }

  private fail(file: string, name: string, errors: readonly Failure[]): void {
    if (errors.length > 0) this.write({ event: 'error', file, name, message: messageOf(errors) });
  }

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    for (const { moduleId } of specifications) this.write({ event: 'file', file: fileOf(moduleId) });
  }

  onTestCaseReady({ module, fullName }: TestCase): void {
    this.write({ event: 'begin', file: fileOf(module.moduleId), name: fullName });
  }

  onTestCaseResult(test: TestCase): void {
    const { state, errors = [] } = test.result();
    if (state === 'pending') return;
    const file = fileOf(test.module.moduleId);
    this.write({ event: 'end', file, name: test.fullName, state, message: messageOf(errors) });
  }

  onTestSuiteResult(suite: TestSuite): void {
    this.fail(fileOf(suite.module.moduleId), suite.fullName, suite.errors());
  }

  onTestModuleEnd(module: TestModule): void {
    const file = fileOf(module.moduleId);
    this.fail(file, '', module.errors());
    this.write({ event: 'done', file, seconds: module.diagnostic().duration / 1000 });
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly Failure[]): void {
    this.fail('', 'outside of tests', unhandled);
  }
}

const fileOf = (moduleId: string) => relative(process.cwd(), moduleId).replaceAll('\\', '/');
const messageOf = (errors: readonly Failure[]) => errors.map(({ message }) => message).join('\n');
