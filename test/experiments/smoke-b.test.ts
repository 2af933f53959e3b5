import { testCoursework } from './smoke.ts';

testCoursework('B');
