// Loaded by jest before each test file: gives every property test its seed. fast-check prints it when a property fails.
import fc from 'fast-check';
import { propertySeed } from './property-seed.js';

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: propertySeed() });
