import { returnStory } from '../return-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('return', 'a fenced server comes back', returnStory)
