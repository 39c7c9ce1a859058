import { flushTroubles } from '../flush-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('flush', 'a node is emptied and filled with its guests running', flushTroubles)
