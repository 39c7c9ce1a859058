import { cutOffStory } from '../cut-off-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('cut-off', 'a server that lives but is not heard', cutOffStory)
