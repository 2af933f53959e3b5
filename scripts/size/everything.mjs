export * from 'tilegrad';
