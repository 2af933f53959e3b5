import { testCoursework } from './smoke.ts';

testCoursework('E');
