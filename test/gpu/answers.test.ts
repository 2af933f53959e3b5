import { expect, test } from 'vitest';
import { Answers } from '../../src/gpu/answers.ts';

/** Promises that the test answers. */
function request(answers: Answers, log: unknown[]) {
  let answer!: (value: unknown) => void;
  let fail!: () => void;
  const promise = new Promise((resolve, reject) => {
    answer = resolve;
    fail = () => reject(new Error('the device went away'));
  });
  answers.watch(promise, (value) => log.push(value));
  return { answer, fail };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('Answers: an action runs after the answers to all earlier requests, in any order, and does not wait for later ones', async () => {
  const answers = new Answers();
  const log: unknown[] = [];
  answers.after(() => log.push('at once'));
  const [one, two] = [request(answers, log), request(answers, log)];
  answers.after(() => log.push('both'));
  const three = request(answers, log);
  answers.after(() => log.push('all'));
  two.answer(2);
  await turn();
  expect(log).toEqual(['at once', 2]);
  one.fail(); // counts as an answer
  await turn();
  expect(log).toEqual(['at once', 2, 'both']);
  expect(answers.outstanding).toBe(true);
  three.answer(3);
  await turn();
  expect(log).toEqual(['at once', 2, 'both', 3, 'all']);
  expect(answers.outstanding).toBe(false);
});

test('Answers: only later actions wait for requests made by an answer', async () => {
  const answers = new Answers();
  const log: unknown[] = [];
  const first = request(answers, log);
  let second!: ReturnType<typeof request>;
  answers.watch(Promise.resolve(), () => {
    second = request(answers, log);
    answers.after(() => log.push('later'));
  });
  answers.after(() => log.push('before'));
  first.answer(1);
  await turn();
  expect(log).toEqual([1, 'before']);
  second.answer(2);
  await turn();
  expect(log).toEqual([1, 'before', 2, 'later']);
});
