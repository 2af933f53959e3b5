import { testCoursework } from './smoke.ts';

testCoursework('C');
