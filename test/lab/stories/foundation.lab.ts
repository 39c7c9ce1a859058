import { foundationStory } from '../foundation-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('foundation', 'three hosts run a real VM through the whole chain', foundationStory)
