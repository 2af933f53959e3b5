import { testCoursework } from './smoke.ts';

testCoursework('D');
